import { useWords } from "../i18n/words";
import { Button } from "../parts/button";
import { Dialog } from "../parts/dialog";
import { LoginForm } from "./login-form";
import { session } from "./session";

/** Asks for the password again over the page, which stays as it is. */
export function Relogin() {
  const words = useWords();
  return (
    <Dialog
      alert
      title={words.login.ended}
      foot={
        <Button look="quiet" onPress={() => session.signOut()}>
          {words.nav.signOut}
        </Button>
      }
    >
      <p>{words.login.endedHint}</p>
      <LoginForm again />
    </Dialog>
  );
}
