// That the agent of a server lies behind Komodo Core: how far, and what that means.
import { CircleArrowUp, OctagonAlert } from "lucide-react";
import type { ServerListItem } from "../api/types";
import { useWords } from "../i18n/words";
import { ChipWithReason } from "../parts/chip";

/** Nothing where it does not. */
export function SkewChip({ server }: { server: ServerListItem }) {
  const words = useWords();
  const { agent } = server.info;
  if (!agent?.skew) return null;
  const tooOld = agent.skew === "too_old";
  const Icon = tooOld ? OctagonAlert : CircleArrowUp;
  return (
    <ChipWithReason
      tone={tooOld ? "bad" : "warn"}
      icon={<Icon size={13} aria-hidden="true" />}
      reason={words.servers.skewWhy[agent.skew](agent.version)}
    >
      {words.servers.skew[agent.skew]}
    </ChipWithReason>
  );
}
