// The filter box above containers: words look at the name, `key:value` at one fact.
import type { ContainerListItem } from "../api/types";
import { containerLook, isUnhealthy } from "./look";

type Test = (container: ContainerListItem) => boolean;

const has = (text: string | null | undefined, part: string) => (text ?? "").toLowerCase().includes(part);

const facets: Record<string, (value: string) => Test> = {
  state: (value) => (c) => c.state.startsWith(value) || containerLook(c).startsWith(value),
  health: (value) => (c) => has(c.health, value),
  image: (value) => (c) => has(c.image, value),
  stack: (value) => (c) => has(c.project, value),
  network: (value) => (c) => (c.networks ?? []).some((network) => has(network, value)),
  port: (value) => (c) =>
    (c.ports ?? []).some((port) => String(port.PublicPort ?? "") === value || String(port.PrivatePort ?? "") === value),
  is: (value) => (c) =>
    (value === "protected" && (c.protected ?? []).length > 0) || (value === "unhealthy" && isUnhealthy(c)),
};

/** Reads a filter: all parts must hold; `-` before a part turns it round. An unknown key is a word like any other. */
export function parseFilter(text: string): Test {
  const tests = text
    .toLowerCase()
    .split(/\s+/)
    .filter(Boolean)
    .map((part): Test => {
      const not = part.length > 1 && part.startsWith("-");
      const plain = not ? part.slice(1) : part;
      const colon = plain.indexOf(":");
      const facet = colon > 0 ? facets[plain.slice(0, colon)] : undefined;
      const value = plain.slice(colon + 1);
      if (facet && value === "") return () => true;
      const test: Test = facet ? facet(value) : (c) => has(c.name, plain) || has(c.project, plain);
      return not ? (c) => !test(c) : test;
    });
  return (container) => tests.every((test) => test(container));
}
