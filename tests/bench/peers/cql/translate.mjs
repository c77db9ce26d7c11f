// CQL into ELM: node translate.mjs tier.cql tier.json
//
// The model of FHIR comes with cql-exec-fhir, that of CQL's own types with the translator. Without locators, annotations
// and result types, which the engine would only carry along.
import { readFileSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { SystemModelInfoProvider } from '@cqframework/cql/cql';
import {
  CqlCompilerOptions, CqlTranslator, LibraryManager, ModelManager, createModelInfoProvider, createUcumService, stringAsSource,
} from '@cqframework/cql/cql-to-elm';

const [source, target] = process.argv.slice(2);
const models = join(dirname(createRequire(import.meta.url).resolve('cql-exec-fhir')), 'modelInfos');
const modelManager = new ModelManager();
const { modelInfoLoader } = modelManager;
modelInfoLoader.registerModelInfoProvider(new SystemModelInfoProvider());
modelInfoLoader.registerModelInfoProvider(
  createModelInfoProvider((name, system, version) =>
    name === 'FHIR' ? stringAsSource(readFileSync(join(models, `fhir-modelinfo-${version}.xml`), 'utf8')) : null,
  ),
);
// The translator asks for a UCUM library whatever the unit; the rules count in calendar units, which it knows by itself.
const refuse = () => {
  throw new Error('only calendar units are understood');
};
const ucum = createUcumService(refuse, (unit) => `${unit} is not a calendar unit`, refuse, refuse);
const { DisableListDemotion, DisableListPromotion } = CqlCompilerOptions.Options;
const options = new CqlCompilerOptions().withOptions([DisableListDemotion, DisableListPromotion]);
const libraries = new LibraryManager(modelManager, options, undefined, ucum);
const translator = CqlTranslator.fromText(readFileSync(source, 'utf8'), libraries);
const errors = translator.errors.asJsReadonlyArrayView();
if (errors.length) {
  errors.forEach((error) => console.error(`${source}, line ${error.locator?.startLine}: ${error.message}`));
  process.exit(1);
}
writeFileSync(target, translator.toJson());
