import type { ReactNode, Ref } from "react";
import { Button as AriaButton, Focusable, ToggleButton, TooltipTrigger } from "react-aria-components";
import styles from "./button.module.css";
import { Tip } from "./tooltip";

type Look = "plain" | "primary" | "danger" | "quiet";

interface ButtonProps {
  children?: ReactNode;
  icon?: ReactNode;
  /** Name of a button that shows only an icon; also its tooltip. */
  label?: string;
  look?: Look;
  small?: boolean;
  type?: "button" | "submit";
  /** Why it cannot be pressed now. It stays focusable, so that everybody can learn why. */
  off?: string | null;
  onPress?: () => void;
  className?: string;
  autoFocus?: boolean;
  ref?: Ref<HTMLButtonElement>;
  expanded?: boolean;
  controls?: "menu" | "dialog";
  /** Whether Tab stops at it; in a row of a table only where the row is the current one. */
  tabbable?: boolean;
}

const look = (props: { look?: Look; small?: boolean; label?: string; children?: ReactNode; className?: string }) =>
  [
    styles.button,
    props.look && props.look !== "plain" ? styles[props.look] : "",
    props.small ? styles.small : "",
    props.label && !props.children ? styles.icon : "",
    props.className ?? "",
  ]
    .filter(Boolean)
    .join(" ");

export function Button(props: ButtonProps) {
  const { children, icon, label, type = "button", off, onPress, autoFocus, ref, tabbable = true } = props;
  if (off) {
    return (
      <TooltipTrigger delay={300}>
        <Focusable>
          <button type="button" className={look(props)} aria-disabled="true" aria-label={label}>
            {icon}
            {children}
          </button>
        </Focusable>
        <Tip>{off}</Tip>
      </TooltipTrigger>
    );
  }
  const button = (
    <AriaButton
      ref={ref}
      type={type}
      className={look(props)}
      aria-label={label}
      aria-haspopup={props.controls}
      aria-expanded={props.expanded}
      onPress={onPress}
      autoFocus={autoFocus}
      excludeFromTabOrder={!tabbable}
    >
      {icon}
      {children}
    </AriaButton>
  );
  if (!label || children) return button;
  return (
    <TooltipTrigger delay={500}>
      {button}
      <Tip>{label}</Tip>
    </TooltipTrigger>
  );
}

export function Toggle(props: { on: boolean; onChange: (on: boolean) => void; label: string; icon: ReactNode }) {
  return (
    <TooltipTrigger delay={500}>
      <ToggleButton
        isSelected={props.on}
        onChange={props.onChange}
        aria-label={props.label}
        className={[styles.button, styles.quiet, styles.icon, props.on ? styles.on : ""].filter(Boolean).join(" ")}
      >
        {props.icon}
      </ToggleButton>
      <Tip>{props.label}</Tip>
    </TooltipTrigger>
  );
}

export const buttonClass = look;
