"""How the cards fare: what was shown, taken up, set aside and held back, from the store's journal and feedback."""
