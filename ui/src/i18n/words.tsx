// The language of the page: English is part of the first load, others come when they are chosen.
import { createContext, type ReactNode, useContext, useEffect, useState } from "react";
import { I18nProvider } from "react-aria-components";
import { usePreferences } from "../app/preferences";
import { en, type Words } from "./en";

export type Language = "en" | "zh-CN";

export const languages: readonly { id: Language; name: string }[] = [
  { id: "en", name: "English" },
  { id: "zh-CN", name: "简体中文" },
];

const loaders: Record<Language, () => Promise<Words>> = {
  en: () => Promise.resolve(en),
  "zh-CN": async () => (await import("./zh-cn")).zhCn,
};

/** The first language of the browser that there is. */
export function pickLanguage(wanted: readonly string[]): Language {
  for (const tag of wanted) {
    const base = tag.toLowerCase();
    if (base === "zh" || base.startsWith("zh-")) return "zh-CN";
    if (base === "en" || base.startsWith("en-")) return "en";
  }
  return "en";
}

const WordsContext = createContext<Words>(en);

export function WordsProvider({ children }: { children: ReactNode }) {
  const chosen = usePreferences().language;
  const language = chosen === "auto" ? pickLanguage(navigator.languages) : chosen;
  const [words, setWords] = useState<Words | null>(language === "en" ? en : null);
  useEffect(() => {
    let current = true;
    loaders[language]().then(
      (loaded) => {
        if (!current) return;
        document.documentElement.lang = loaded.locale;
        setWords(loaded);
      },
      () => current && setWords(en),
    );
    return () => {
      current = false;
    };
  }, [language]);
  if (words === null) return null;
  return (
    <I18nProvider locale={words.locale === "en" ? "en-US" : words.locale}>
      <WordsContext value={words}>{children}</WordsContext>
    </I18nProvider>
  );
}

/** The words of the page in its language. */
export const useWords = () => useContext(WordsContext);
