// The tier rules by cql-execution behind CDS Hooks: node server.mjs PORT tier.json value-sets.json DAY
//
// Tuned: ELM translated beforehand, the model of FHIR and the value sets loaded once a process, one expression asked for,
// Node's own HTTP server, two processes.
import cluster from 'node:cluster';
import { readFileSync } from 'node:fs';
import { createServer } from 'node:http';
import cqlExecFhir from 'cql-exec-fhir';
import cql from 'cql-execution';

const WORKERS = 2;
const [port, elm, valueSets, day] = process.argv.slice(2);

/** Codes by system in sets and, where a code ends in *, by prefix: the engine's own set is searched code by code. */
class IndexedValueSet extends cql.ValueSet {
  #codes = new Set();
  #prefixes = new Map();

  constructor(id, codes) {
    super(id, undefined, codes);
    for (const { system, code } of codes) {
      if (code.endsWith('*')) {
        this.#prefixes.set(system, [...(this.#prefixes.get(system) ?? []), code.slice(0, -1)]);
      } else {
        this.#codes.add(`${system}|${code}`);
      }
    }
  }

  hasMatch(coded) {
    if (coded == null) {
      return false;
    }
    const codes = Array.isArray(coded) ? coded : (coded.codes ?? [coded]);
    return codes.some(
      ({ system, code }) =>
        this.#codes.has(`${system}|${code}`) || this.#prefixes.get(system)?.some((prefix) => code.startsWith(prefix)),
    );
  }
}

function serve() {
  const library = new cql.Library(JSON.parse(readFileSync(elm, 'utf8')));
  const sets = new Map(
    Object.entries(JSON.parse(readFileSync(valueSets, 'utf8'))).map(([id, codes]) => [id, new IndexedValueSet(id, codes)]),
  );
  const executor = new cql.Executor(library, { findValueSet: (id) => sets.get(id), findValueSetsByOid: (id) => [sets.get(id)] });
  const source = cqlExecFhir.PatientSource.FHIRv401();
  const now = cql.DateTime.parse(`${day}T12:00:00.000+00:00`);
  // The source holds one patient at a time, and the engine gives way between its steps.
  let turn = Promise.resolve();

  async function assessed(prefetch) {
    source.reset();
    source.loadBundles([{ resourceType: 'Bundle', entry: Object.values(prefetch).flatMap(entries) }]);
    const { patientResults } = await executor.exec_expression('Assessment', source, now);
    return Object.values(patientResults)[0].Assessment;
  }

  async function answer(body) {
    const { tier, rule } = await (turn = turn.catch(() => {}).then(() => assessed(JSON.parse(body).prefetch)));
    return { cards: [{ summary: `Tier: ${tier}`, detail: `Rule ${rule}`, indicator: 'info', source: { label: 'CQL' } }] };
  }

  createServer(async (request, response) => {
    const chunks = [];
    for await (const chunk of request) {
      chunks.push(chunk);
    }
    let status = 200;
    let content = { services: [{ hook: 'patient-view', id: 'tier', description: 'Risk tier', prefetch: {} }] };
    if (request.method === 'POST') {
      try {
        content = await answer(Buffer.concat(chunks).toString('utf8'));
      } catch (error) {
        console.error(error);
        status = 500;
        content = { cards: [] };
      }
    }
    const text = Buffer.from(JSON.stringify(content));
    response.writeHead(status, { 'Content-Type': 'application/json', 'Content-Length': text.length });
    response.end(text);
  }).listen(Number(port), '127.0.0.1');
}

function entries(value) {
  return value.resourceType === 'Bundle' ? (value.entry ?? []) : [{ resource: value }];
}

if (cluster.isPrimary) {
  for (let started = 0; started < WORKERS; started++) {
    cluster.fork();
  }
  // Half a server would be measured as a slow one.
  cluster.on('exit', () => process.exit(1));
} else {
  serve();
}
