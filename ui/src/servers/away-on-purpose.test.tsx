import { act, type ReactNode } from "react";
import { createRoot } from "react-dom/client";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import type { ServerListItem, Update } from "../api/types";
import { en } from "../i18n/en";
import { StageNote } from "../updates/stage-note";
import { SkewChip } from "./skew-chip";
import { StaleBar } from "./stale-bar";

let root: ReturnType<typeof createRoot>;
let place: HTMLElement;

beforeEach(() => {
  (globalThis as { IS_REACT_ACT_ENVIRONMENT?: boolean }).IS_REACT_ACT_ENVIRONMENT = true;
  place = document.createElement("div");
  document.body.append(place);
  root = createRoot(place);
});

afterEach(() => {
  act(() => root.unmount());
  place.remove();
});

function shown(node: ReactNode): string {
  act(() => root.render(node));
  return place.textContent ?? "";
}

const server = (info: Partial<ServerListItem["info"]>): ServerListItem =>
  ({ id: "nas", name: "nas", info: { state: "NotOk", region: "", ...info } }) as unknown as ServerListItem;

describe("a server that was detached", () => {
  const reason = { code: "detached", why: "detached by ada", since: Date.now() - 90_000, by: "ada" } as const;
  test("says who, since when, and the command that brings it back, to be copied", () => {
    const text = shown(<StaleBar server={server({ reason: { ...reason, bring_back: "docker start periphery" } })} />);
    expect(text).toContain("Detached by ada.");
    expect(text).toContain("1 min ago");
    expect(place.querySelector("pre")?.textContent).toBe("docker start periphery");
    expect(place.querySelector("pre")?.parentElement?.querySelector("button")).not.toBeNull();
  });
  test("whose container is gone says so, and offers no command that does not work", () => {
    const back = "the command or compose file that made periphery, once more";
    expect(shown(<StaleBar server={server({ reason: { ...reason, bring_back: back } })} />)).toContain(back);
    expect(place.querySelector("pre")).toBeNull();
  });
});

test("a server that a helper is at shows the last view, and that it is that", () => {
  const text = shown(
    <StaleBar server={server({ reason: { code: "handed_over", why: "" }, last_seen: Date.now() - 8_000 })} />,
  );
  expect(text).toContain(`${en.serverReasons.handed_over}.`);
  expect(text).toContain("showing the state of");
});

describe("how far an agent lies behind", () => {
  const agent = { version: "2.3.0", in_container: true };
  test("is said only where it does", () => {
    expect(shown(<SkewChip server={server({})} />)).toBe("");
    expect(shown(<SkewChip server={server({ agent })} />)).toBe("");
    expect(shown(<SkewChip server={server({ agent: { ...agent, skew: "outdated" } })} />)).toBe("Agent outdated");
    expect(shown(<SkewChip server={server({ agent: { ...agent, skew: "too_old" } })} />)).toBe("Agent too old");
  });
});

describe("an operation that a helper carries out", () => {
  const update = (part: Partial<Update>): Update => ({
    operation: "RestartContainer",
    start_ts: 0,
    success: true,
    operator: "",
    target: { type: "Server", id: "nas" },
    status: "InProgress",
    logs: [],
    ...part,
  });
  test("says that the link goes, until when it is over at the latest, and nothing of waiting", () => {
    const waiting_for = { server: "nas", why: "handed over" };
    const text = shown(
      <StageNote update={update({ stage: "handed_over", waiting_for, deadline: Date.now() + 90_000 })} />,
    );
    expect(text).toContain(en.handOver.acts);
    expect(text).toMatch(/If it is not confirmed by .+, the helper puts back what it has replaced\./);
    expect(text).not.toContain("Waiting for nas");
  });
  test("shows how much of a program is there, and that nothing is touched yet", () => {
    const at = (sent: Update["sent"]) => shown(<StageNote update={update({ stage: "sending", sent })} />);
    expect(at({ bytes: 3_000_000, of: 12_000_000 })).toBe(`${en.sending.before}3 MB of 12 MB`);
    const bar = place.querySelector("[role=progressbar]");
    expect([bar?.getAttribute("aria-valuenow"), bar?.getAttribute("aria-valuemax")]).toEqual(["3000000", "12000000"]);
    expect(bar?.querySelector("span")?.style.width).toBe("25%");
    // More than all of it there is not.
    at({ bytes: 9, of: 6 });
    expect(place.querySelector("[role=progressbar] span")?.getAttribute("style")).toContain("100%");
    expect(at(null)).toBe(en.sending.before);
  });
  test("counts the probation down, and says nothing of a time that is over", () => {
    const left = (probation_until: number) =>
      shown(<StageNote update={update({ stage: "probation", probation_until })} />);
    // The clock of the page may be a second behind.
    expect(left(Date.now() + 20_500)).toMatch(/Confirmed in 2[01] sec if nothing happens\./);
    expect(left(Date.now() - 5_000)).toBe(en.handOver.watched);
  });
  test("says nothing any more once it is over", () => {
    expect(shown(<StageNote update={update({ status: "Complete", stage: "probation" })} />)).toBe("");
  });
});
