import {
  ArrowLeftRight,
  CheckCircle2,
  CircleOff,
  CirclePause,
  Hourglass,
  KeyRound,
  TriangleAlert,
  Unplug,
} from "lucide-react";
import type { ServerListItem } from "../api/types";
import { useWords } from "../i18n/words";
import { Chip } from "../parts/chip";
import { type ServerLook, serverLook, serverTone, serverWord } from "./state";

const icons: Record<ServerLook, typeof CheckCircle2> = {
  ok: CheckCircle2,
  waiting: Hourglass,
  unreachable: Unplug,
  detached: CirclePause,
  handedOver: ArrowLeftRight,
  refused: KeyRound,
  docker: TriangleAlert,
  notOk: TriangleAlert,
  disabled: CircleOff,
};

export function ServerChip({ server }: { server: ServerListItem }) {
  const words = useWords();
  const look = serverLook(server);
  const Icon = icons[look];
  return (
    <Chip tone={serverTone[look]} icon={<Icon size={13} aria-hidden="true" />}>
      {serverWord(words, look)}
    </Chip>
  );
}
