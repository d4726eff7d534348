import { ArrowLeftRight, CircleCheck, CircleSlash, CircleX, Eye, Hourglass, LoaderCircle } from "lucide-react";
import type { Update, UpdateListItem } from "../api/types";
import { useWords } from "../i18n/words";
import { Chip, type Tone } from "../parts/chip";
import { type UpdateLook, updateLook } from "./update-words";

const looks: Record<UpdateLook, { tone: Tone; icon: typeof CircleCheck }> = {
  waiting: { tone: "warn", icon: Hourglass },
  running: { tone: "accent", icon: LoaderCircle },
  handedOver: { tone: "accent", icon: ArrowLeftRight },
  probation: { tone: "accent", icon: Eye },
  canceling: { tone: "warn", icon: CircleSlash },
  canceled: { tone: "warn", icon: CircleSlash },
  queued: { tone: "neutral", icon: Hourglass },
  ok: { tone: "ok", icon: CircleCheck },
  failed: { tone: "bad", icon: CircleX },
};

export function UpdateChip({ update }: { update: Update | UpdateListItem }) {
  const words = useWords();
  const look = updateLook(update);
  const Icon = looks[look].icon;
  return (
    <Chip tone={looks[look].tone} icon={<Icon size={13} aria-hidden="true" />}>
      {words.updates[look]}
    </Chip>
  );
}
