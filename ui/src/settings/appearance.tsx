import { Monitor, Moon, Sun } from "lucide-react";
import { setPreferences, usePreferences } from "../app/preferences";
import { languages, useWords } from "../i18n/words";
import { Segments, Switch } from "../parts/field";
import styles from "./settings.module.css";

export function Appearance() {
  const words = useWords();
  const chosen = usePreferences();
  return (
    <div className={styles.stack}>
      <Segments
        label={words.settings.language}
        value={chosen.language}
        onChange={(language) => setPreferences({ language })}
        options={[
          { id: "auto", name: words.settings.languageAuto },
          ...languages.map(({ id, name }) => ({ id, name, lang: id })),
        ]}
      />
      <Segments
        label={words.settings.theme}
        value={chosen.theme}
        onChange={(theme) => setPreferences({ theme })}
        options={[
          { id: "system", name: words.settings.themes.system, icon: <Monitor size={14} aria-hidden="true" /> },
          { id: "light", name: words.settings.themes.light, icon: <Sun size={14} aria-hidden="true" /> },
          { id: "dark", name: words.settings.themes.dark, icon: <Moon size={14} aria-hidden="true" /> },
        ]}
      />
      <Segments
        label={words.settings.density}
        value={chosen.density}
        onChange={(density) => setPreferences({ density })}
        options={[
          { id: "dense", name: words.settings.densities.dense },
          { id: "comfortable", name: words.settings.densities.comfortable },
        ]}
      />
      <div>
        <Switch
          label={words.settings.shortcuts}
          on={chosen.shortcuts}
          onChange={(shortcuts) => setPreferences({ shortcuts })}
        />
        <p className={styles.hint}>{words.settings.shortcutsHint}</p>
      </div>
    </div>
  );
}
