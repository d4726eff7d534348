// Follows an operation whose dialog was closed, and says how it ended.
import { useNavigate } from "@tanstack/react-router";
import { useEffect } from "react";
import { toasts } from "../app/toasts";
import { type Followed, useOperate } from "../containers/operate";
import { undoOf } from "../containers/requests";
import { useWords } from "../i18n/words";
import { useUpdate } from "../live/live";
import { operationText } from "./update-words";

export function Follow({ followed, onEnd }: { followed: Followed; onEnd: (update: string) => void }) {
  const words = useWords();
  const operate = useOperate();
  const navigate = useNavigate();
  const { update: id, title, serverName } = followed;
  const { item, error } = useUpdate(id);
  useEffect(() => {
    if (error) onEnd(id);
    if (item?.status !== "Complete") return;
    const { canceled_by, success, undoable, container } = item;
    const what = canceled_by
      ? words.progress.endedCanceled(title)
      : success
        ? words.progress.ended(title)
        : words.progress.endedBad(title);
    toasts.show(success ? "ok" : "bad", what, [
      ...(undoable
        ? [
            {
              label: words.actions.undo.selected,
              act: () =>
                operate({
                  request: undoOf(id),
                  serverName,
                  title: words.undo.title(operationText(words, item), container ?? serverName),
                }),
            },
          ]
        : []),
      { label: words.common.details, act: () => navigate({ to: "/activity/$update", params: { update: id } }) },
    ]);
    onEnd(id);
  }, [item, error, id, title, serverName, words, operate, navigate, onEnd]);
  return null;
}
