import { Check, Minus, Search, X } from "lucide-react";
import { type ReactNode, type RefObject, useId } from "react";
import {
  Checkbox as AriaCheckbox,
  SearchField as AriaSearchField,
  Switch as AriaSwitch,
  TextField as AriaTextField,
  Button,
  FieldError,
  Input,
  Label,
  Radio,
  RadioGroup,
  Text,
} from "react-aria-components";
import { useWords } from "../i18n/words";
import styles from "./field.module.css";

interface TextFieldProps {
  label: string;
  value: string;
  onChange: (value: string) => void;
  hint?: ReactNode;
  error?: string | null;
  type?: "text" | "password" | "number" | "url";
  autoComplete?: string;
  required?: boolean;
  autoFocus?: boolean;
  mono?: boolean;
  name?: string;
  placeholder?: string;
  maxLength?: number;
}

export function TextField(props: TextFieldProps) {
  return (
    <AriaTextField
      className={styles.field}
      value={props.value}
      onChange={props.onChange}
      type={props.type ?? "text"}
      name={props.name}
      autoComplete={props.autoComplete ?? "off"}
      isRequired={props.required}
      isInvalid={Boolean(props.error)}
      autoFocus={props.autoFocus}
      maxLength={props.maxLength}
      validationBehavior="aria"
    >
      <Label>{props.label}</Label>
      <Input className={styles.input} placeholder={props.placeholder} spellCheck={false} autoCapitalize="none" />
      {props.hint && (
        <Text slot="description" className={styles.hint}>
          {props.hint}
        </Text>
      )}
      <FieldError className={styles.bad}>{props.error}</FieldError>
    </AriaTextField>
  );
}

interface SearchFieldProps {
  label: string;
  value: string;
  onChange: (value: string) => void;
  inputRef?: RefObject<HTMLInputElement | null>;
  /** Whether `/` leads here. */
  slash?: boolean;
  className?: string;
  title?: string;
}

export function SearchField({ label, value, onChange, inputRef, slash, className, title }: SearchFieldProps) {
  const words = useWords();
  return (
    <AriaSearchField
      aria-label={label}
      value={value}
      onChange={onChange}
      className={`${styles.search} ${className ?? ""}`}
    >
      <Search size={15} aria-hidden="true" />
      <Input
        ref={inputRef}
        className={styles.input}
        placeholder={label}
        title={title}
        spellCheck={false}
        autoComplete="off"
        data-slash={slash ? "" : undefined}
      />
      {slash && (
        <kbd className={styles.slash} aria-hidden="true">
          /
        </kbd>
      )}
      <Button className={styles.clear} aria-label={words.common.clear}>
        <X size={14} />
      </Button>
    </AriaSearchField>
  );
}

interface CheckboxProps {
  label: string;
  /** Whether the label is shown, or only read out. */
  shown?: boolean;
  on: boolean;
  some?: boolean;
  onChange: (on: boolean) => void;
  tabbable?: boolean;
}

export const Checkbox = ({ label, shown, on, some, onChange, tabbable = true }: CheckboxProps) => (
  <AriaCheckbox
    className={styles.checkbox}
    aria-label={shown ? undefined : label}
    isSelected={on}
    isIndeterminate={some}
    onChange={onChange}
    excludeFromTabOrder={!tabbable}
  >
    <span className={styles.check}>
      {some ? <Minus size={12} strokeWidth={3} /> : <Check size={12} strokeWidth={3} />}
    </span>
    {shown && label}
  </AriaCheckbox>
);

export const Switch = ({ label, on, onChange }: { label: string; on: boolean; onChange: (on: boolean) => void }) => (
  <AriaSwitch className={styles.switch} isSelected={on} onChange={onChange}>
    <span className={styles.rail} />
    {label}
  </AriaSwitch>
);

interface SelectProps<T extends string> {
  label: string;
  value: T;
  options: readonly { id: T; name: string }[];
  onChange: (value: T) => void;
  hint?: ReactNode;
  autoFocus?: boolean;
}

/** A choice of one of several, in the list that the browser and the phone know. */
export function Select<T extends string>({ label, value, options, onChange, hint, autoFocus }: SelectProps<T>) {
  const id = useId();
  return (
    <div className={styles.field}>
      <label htmlFor={id}>{label}</label>
      <select
        id={id}
        className={styles.input}
        value={value}
        aria-describedby={hint ? `${id}-hint` : undefined}
        // biome-ignore lint/a11y/noAutofocus: of a dialog that was just asked for
        autoFocus={autoFocus}
        onChange={(event) => {
          const option = options[event.target.selectedIndex];
          if (option) onChange(option.id);
        }}
      >
        {options.map((option) => (
          <option key={option.id} value={option.id}>
            {option.name}
          </option>
        ))}
      </select>
      {hint && (
        <span id={`${id}-hint`} className={styles.hint}>
          {hint}
        </span>
      )}
    </div>
  );
}

interface SegmentsProps<T extends string> {
  label: string;
  value: T;
  options: readonly { id: T; name: string; icon?: ReactNode; lang?: string }[];
  onChange: (value: T) => void;
}

/** A choice of a few, all of them seen. */
export function Segments<T extends string>({ label, value, options, onChange }: SegmentsProps<T>) {
  return (
    <RadioGroup
      className={styles.field}
      value={value}
      onChange={(chosen) => {
        const option = options.find(({ id }) => id === chosen);
        if (option) onChange(option.id);
      }}
      orientation="horizontal"
    >
      <Label>{label}</Label>
      <div>
        <div className={styles.segments}>
          {options.map((option) => (
            <Radio key={option.id} value={option.id} className={styles.segment}>
              {option.icon}
              <span lang={option.lang}>{option.name}</span>
            </Radio>
          ))}
        </div>
      </div>
    </RadioGroup>
  );
}
