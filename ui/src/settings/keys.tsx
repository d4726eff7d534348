// What both lists of keys share: the choice of an expiry, and the question before a key is deleted.
import { useMutation } from "@tanstack/react-query";
import type { Words } from "../i18n/en";
import { date } from "../i18n/format";
import { useWords } from "../i18n/words";
import { Button } from "../parts/button";
import { Dialog } from "../parts/dialog";
import { Failure } from "../parts/page";

const DAY_MS = 86_400_000;

export type Expiry = "day" | "week" | "month" | "year" | "never";

const lengths: Record<Exclude<Expiry, "never">, number> = { day: 1, week: 7, month: 30, year: 365 };

/** When a key ends, unix ms; 0 is never. */
export const expiresAt = (expiry: Expiry, now: number) => (expiry === "never" ? 0 : now + lengths[expiry] * DAY_MS);

export const expiryOptions = (words: Words, of: readonly Expiry[]) =>
  of.map((id) => ({ id, name: words.settings.expiry[id] }));

export const expiryText = (words: Words, at: number) => (at === 0 ? words.common.never : date(words.locale, at));

interface DeleteKeyProps {
  title: string;
  text: string;
  remove: () => Promise<unknown>;
  onClose: () => void;
}

export function DeleteKey({ title, text, remove, onClose }: DeleteKeyProps) {
  const words = useWords();
  const go = useMutation({ mutationFn: remove, onSuccess: onClose });
  return (
    <Dialog
      alert
      title={title}
      onClose={onClose}
      foot={
        <>
          <Button onPress={onClose}>{words.common.cancel}</Button>
          <Button look="danger" onPress={() => !go.isPending && go.mutate()}>
            {words.common.delete}
          </Button>
        </>
      }
    >
      <p>{text}</p>
      {go.isError && <Failure error={go.error} />}
    </Dialog>
  );
}
