import {
  Ban,
  CircleCheck,
  CircleDashed,
  type CircleDot,
  CirclePause,
  CircleStop,
  HeartCrack,
  HeartPulse,
  LoaderCircle,
  RotateCw,
  ShieldCheck,
  ShieldHalf,
} from "lucide-react";
import type { ContainerState, Reason } from "../api/types";
import type { Words } from "../i18n/en";
import { useWords } from "../i18n/words";
import { Chip, ChipWithReason } from "../parts/chip";
import { type ContainerLook, containerLook, containerTone } from "./look";

const icons: Record<ContainerLook, typeof CircleDot> = {
  running: CircleCheck,
  created: CircleDashed,
  restarting: RotateCw,
  stopping: LoaderCircle,
  removing: LoaderCircle,
  paused: CirclePause,
  exited: CircleStop,
  dead: Ban,
  unknown: CircleDashed,
  unhealthy: HeartCrack,
  starting: HeartPulse,
};

export function StateChip({ state, health }: { state: ContainerState; health?: string | null }) {
  const words = useWords();
  const look = containerLook({ state, health });
  const Icon = icons[look];
  return (
    <Chip tone={containerTone[look]} icon={<Icon size={13} aria-hidden="true" />}>
      {words.containerStates[look]}
    </Chip>
  );
}

/** A reason in the language of the page, with what it was found by. */
export function reasonText(words: Words, reason: Reason): string {
  const base = words.reasons[reason.reason] ?? reason.reason;
  return reason.detail ? words.plan.reason(base, reason.detail) : base;
}

/** Why a container is protected, at the head of its menu; nothing where it is not. */
export function protectedHead(words: Words, reasons: readonly Reason[] | undefined): string | null {
  if (!reasons || reasons.length === 0) return null;
  return `${words.server.protected}: ${reasons.map((reason) => reasonText(words, reason)).join(" · ")}`;
}

/** Shield and word; the reasons when it is asked. */
export function ProtectedChip({ reasons, tabbable }: { reasons: readonly Reason[]; tabbable: boolean }) {
  const words = useWords();
  const first = reasons[0];
  if (!first) return null;
  const onlyLabel = reasons.every((reason) => reason.reason === "label");
  return (
    <ChipWithReason
      tone="protect"
      icon={onlyLabel ? <ShieldHalf size={13} aria-hidden="true" /> : <ShieldCheck size={13} aria-hidden="true" />}
      tabbable={tabbable}
      reason={
        <ul>
          {reasons.map((reason) => (
            <li key={`${reason.reason} ${reason.detail ?? ""}`}>{reasonText(words, reason)}</li>
          ))}
        </ul>
      }
    >
      {words.server.protected}
    </ChipWithReason>
  );
}
