import { useMutation, useQuery } from "@tanstack/react-query";
import { Eye, EyeOff } from "lucide-react";
import { type FormEvent, useState } from "react";
import { ApiError, call } from "../api/client";
import { useWords } from "../i18n/words";
import { Button, Toggle } from "../parts/button";
import { TextField } from "../parts/field";
import { errorWords, Failure, Note } from "../parts/page";
import styles from "./login.module.css";
import { session } from "./session";

/** The account needs a second factor, which this page cannot take. */
class TwoFactorAsked extends Error {}

async function signIn(account: { username: string; password: string }): Promise<string> {
  const answer = await call("auth/login", "LoginLocalUser", account);
  if (answer.type !== "Jwt") throw new TwoFactorAsked();
  return answer.data.jwt;
}

async function signUp(account: { username: string; password: string; token: string }): Promise<string> {
  const { username, password, token } = account;
  const setup = token.trim();
  return (await call("auth/login", "SignUpLocalUser", { username, password, ...(setup ? { setup_token: setup } : {}) }))
    .jwt;
}

/** Signs in, or creates an account where Core allows it; `again` only signs in. */
export function LoginForm({ again }: { again?: boolean }) {
  const words = useWords();
  const [mode, setMode] = useState<"in" | "up">("in");
  const [username, setUsername] = useState("");
  const [password, setPassword] = useState("");
  const [token, setToken] = useState("");
  const [shown, setShown] = useState(false);
  const options = useQuery({
    queryKey: ["login-options"],
    queryFn: ({ signal }) => call("auth/login", "GetLoginOptions", {}, signal),
    staleTime: 60_000,
    retry: 1,
  });
  const go = useMutation({
    mutationFn: () => (mode === "up" ? signUp({ username, password, token }) : signIn({ username, password })),
    onSuccess: (jwt) => session.begin(jwt),
  });
  const submit = (event: FormEvent) => {
    event.preventDefault();
    if (!go.isPending && username && password) go.mutate();
  };
  const mayJoin = !again && options.data !== undefined && !options.data.registration_disabled;
  const twoFactor = go.error instanceof TwoFactorAsked;

  return (
    <form className={styles.form} onSubmit={submit} noValidate>
      {options.data && !options.data.local && <Note tone="warn">{words.login.noLocal}</Note>}
      {options.isError && <Failure error={options.error} retry={() => options.refetch()} />}
      <TextField
        label={words.login.username}
        name="username"
        autoComplete="username"
        value={username}
        onChange={setUsername}
        maxLength={100}
        required
        autoFocus
      />
      <div className={styles.password}>
        <TextField
          label={words.login.password}
          name="password"
          type={shown ? "text" : "password"}
          autoComplete={mode === "up" ? "new-password" : "current-password"}
          value={password}
          onChange={setPassword}
          maxLength={1000}
          required
        />
        <Toggle
          on={shown}
          onChange={setShown}
          label={shown ? words.login.hidePassword : words.login.showPassword}
          icon={shown ? <EyeOff size={16} /> : <Eye size={16} />}
        />
      </div>
      {mode === "up" && (
        <TextField label={words.login.setupToken} hint={words.login.setupTokenHint} value={token} onChange={setToken} />
      )}
      {go.isError && (
        <Note tone="bad" live>
          {twoFactor ? words.login.twoFactor : <LoginFailure error={go.error} signingUp={mode === "up"} />}
        </Note>
      )}
      <Button type="submit" look="primary">
        {mode === "up" ? words.login.signUpSubmit : words.login.submit}
      </Button>
      {mayJoin && (
        <p className={styles.other}>
          {mode === "in" && <span>{words.login.firstTime} </span>}
          <button
            type="button"
            className={styles.link}
            onClick={() => {
              setMode(mode === "in" ? "up" : "in");
              go.reset();
            }}
          >
            {mode === "in" ? words.login.signUp : words.login.haveAccount}
          </button>
        </p>
      )}
    </form>
  );
}

function LoginFailure({ error, signingUp }: { error: Error; signingUp: boolean }) {
  const words = useWords();
  const { title, detail } = errorWords(words, error);
  // When signing in, 401 says only one thing; when signing up Core says what exactly it refuses.
  if (error instanceof ApiError && error.code === "unauthenticated" && signingUp)
    return <span lang="en">{error.message}</span>;
  const plain = error instanceof ApiError && error.code === "unauthenticated";
  return (
    <>
      {title}
      {detail && !plain && <div lang="en">{detail}</div>}
    </>
  );
}
