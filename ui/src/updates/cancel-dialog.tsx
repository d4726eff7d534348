// Before something is canceled: what that means for it.
import { useMutation } from "@tanstack/react-query";
import { call } from "../api/client";
import type { Update, UpdateListItem } from "../api/types";
import { useWords } from "../i18n/words";
import { Button } from "../parts/button";
import { Dialog } from "../parts/dialog";
import { Failure } from "../parts/page";
import styles from "./updates.module.css";

interface CancelDialogProps {
  id: string;
  update: Update | UpdateListItem;
  /** What is canceled, in words. */
  what: string;
  /** Name of its server. */
  server: string;
  onClose: () => void;
  /** It is canceled; the dialog closes by itself. */
  onCanceled?: () => void;
}

export function CancelDialog({ id, update, what, server, onClose, onCanceled }: CancelDialogProps) {
  const words = useWords();
  const cancel = useMutation({
    mutationFn: () => call("execute", "CancelUpdate", { id }),
    onSuccess: () => {
      onClose();
      onCanceled?.();
    },
  });
  const over = update.status === "Complete";
  const meaning =
    update.stage === "queued"
      ? [words.cancel.queued(server)]
      : update.stage === "waiting"
        ? [words.cancel.away(server), words.cancel.done]
        : [words.cancel.untouched, words.cancel.awaited, words.cancel.done];
  return (
    <Dialog
      alert
      title={words.cancel.title(what, server)}
      onClose={onClose}
      foot={
        <>
          <Button onPress={onClose}>{words.cancel.keep}</Button>
          <Button
            look="danger"
            off={over ? words.cancel.over : null}
            onPress={() => !cancel.isPending && cancel.mutate()}
          >
            {words.cancel.go}
          </Button>
        </>
      }
    >
      {over ? (
        <p role="status">{words.cancel.over}</p>
      ) : (
        <ul className={styles.meaning}>
          {meaning.map((sentence) => (
            <li key={sentence}>{sentence}</li>
          ))}
        </ul>
      )}
      {cancel.isError && <Failure error={cancel.error} />}
    </Dialog>
  );
}
