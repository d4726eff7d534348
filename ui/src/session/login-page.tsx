import { Logo } from "../app/logo";
import { setPreferences } from "../app/preferences";
import { languages, useWords } from "../i18n/words";
import { Button } from "../parts/button";
import { useTitle } from "../parts/page";
import styles from "./login.module.css";
import { LoginForm } from "./login-form";

export function LoginPage() {
  const words = useWords();
  useTitle(words.login.title);
  return (
    <main className={styles.page}>
      <div className={styles.card}>
        <div className={styles.head}>
          <Logo size={40} />
          <div>
            <h1>{words.product}</h1>
            <p>{words.login.subtitle}</p>
          </div>
        </div>
        <LoginForm />
      </div>
      <div className={styles.foot}>
        {languages.map((language) => (
          <Button key={language.id} look="quiet" small onPress={() => setPreferences({ language: language.id })}>
            <span lang={language.id}>{language.name}</span>
          </Button>
        ))}
      </div>
    </main>
  );
}
