"""Feedback, the journal of what was answered, used tokens."""

import sqlalchemy as sa
from alembic import op

from service.store.tables import ID, Utc

revision = "0001"
down_revision = None


def upgrade() -> None:
    op.create_table(
        "feedback",
        sa.Column("id", ID, primary_key=True),
        sa.Column("event", sa.LargeBinary(16), nullable=False),
        sa.Column("received_at", Utc, nullable=False),
        sa.Column("service", sa.String(256), nullable=False),
        sa.Column("issuer", sa.Text),
        sa.Column("tenant", sa.Text),
        sa.Column("card", sa.String(256), nullable=False),
        sa.Column("outcome", sa.String(16), nullable=False),
        sa.Column("outcome_at", Utc, nullable=False),
        sa.Column("suggestions", sa.JSON, nullable=False),
        sa.Column("reason_system", sa.String(256)),
        sa.Column("reason_code", sa.String(256)),
        sa.Column("reason_display", sa.LargeBinary),
        sa.Column("comment", sa.LargeBinary),
        sa.Column("commented", sa.Boolean, nullable=False),
        sa.UniqueConstraint("event", name="uq_feedback_event"),
    )
    op.create_index("ix_feedback_received_at", "feedback", ["received_at"])
    op.create_index("ix_feedback_card", "feedback", ["card"])
    op.create_table(
        "answered",
        sa.Column("id", ID, primary_key=True),
        sa.Column("at", Utc, nullable=False),
        sa.Column("card", sa.String(36), nullable=False),
        sa.Column("position", sa.SmallInteger, nullable=False),
        sa.Column("held", sa.String(64)),
        sa.Column("service", sa.String(256), nullable=False),
        sa.Column("hook", sa.String(64), nullable=False),
        sa.Column("rule", sa.String(256), nullable=False),
        sa.Column("outcome", sa.String(128), nullable=False),
        sa.Column("edition", sa.String(64), nullable=False),
        sa.Column("indicator", sa.String(8), nullable=False),
        sa.Column("language", sa.String(16), nullable=False),
        sa.Column("issuer", sa.Text),
        sa.Column("tenant", sa.Text),
        sa.Column("role", sa.String(64)),
        sa.Column("patient", sa.String(32), nullable=False),
        sa.Column("evidence", sa.String(32), nullable=False),
        sa.UniqueConstraint("card", "position", name="uq_answered_card_position"),
    )
    op.create_index("ix_answered_at", "answered", ["at"])
    op.create_index("ix_answered_patient_rule_outcome", "answered", ["patient", "rule", "outcome"])
    op.create_table(
        "used_token",
        sa.Column("token", sa.LargeBinary(16), primary_key=True),
        sa.Column("until", sa.Float, nullable=False),
    )
    op.create_index("ix_used_token_until", "used_token", ["until"])
