// Writes src/api/schema.ts from openapi/api.json; with --check says whether it would change, and writes nothing.
// A package of its own, because openapi-typescript needs TypeScript 5 and the page is built with 7.
import { createHash } from "node:crypto";
import { readFileSync, writeFileSync } from "node:fs";
import openapi, { astToString } from "openapi-typescript";

const from = new URL("../../../openapi/api.json", import.meta.url);
const to = new URL("../../src/api/schema.ts", import.meta.url);

const document = readFileSync(from, "utf8");
// By this the tests of the page notice a document that is newer, without this package.
const hash = createHash("sha256").update(document).digest("hex");
const head = `// Generated from openapi/api.json by \`npm run schema\`; do not edit.\n// sha256 of the document: ${hash}\n\n`;
const schema = await openapi(JSON.parse(document), { alphabetize: true, defaultNonNullable: false });
const text = head + astToString(schema);

if (process.argv.includes("--check")) {
  if (readFileSync(to, "utf8") !== text) {
    console.error("src/api/schema.ts is not what openapi/api.json says: run `npm run schema` and commit the result");
    process.exit(1);
  }
} else {
  writeFileSync(to, text);
}
