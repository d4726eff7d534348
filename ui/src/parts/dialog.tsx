import { X } from "lucide-react";
import type { ReactNode } from "react";
import { Dialog as AriaDialog, Heading, Modal, ModalOverlay } from "react-aria-components";
import { useWords } from "../i18n/words";
import { Button } from "./button";
import styles from "./dialog.module.css";

interface DialogProps {
  title: ReactNode;
  /** Closes it; absent where it must be answered. */
  onClose?: () => void;
  wide?: boolean;
  /** A question that interrupts. */
  alert?: boolean;
  children: ReactNode;
  foot?: ReactNode;
}

/** A dialog over the page; it is open as long as it is rendered. */
export function Dialog({ title, onClose, wide, alert, children, foot }: DialogProps) {
  const words = useWords();
  return (
    <ModalOverlay
      isOpen
      isDismissable={false}
      isKeyboardDismissDisabled={!onClose}
      onOpenChange={(open) => !open && onClose?.()}
      className={styles.overlay}
    >
      <Modal className={`${styles.modal} ${wide ? styles.wide : ""}`}>
        <AriaDialog className={styles.dialog} role={alert ? "alertdialog" : "dialog"}>
          <div className={styles.head}>
            <Heading slot="title" level={2}>
              {title}
            </Heading>
            {onClose && (
              <Button look="quiet" small label={words.common.close} icon={<X size={16} />} onPress={onClose} />
            )}
          </div>
          <div className={styles.body}>{children}</div>
          {foot && <div className={styles.foot}>{foot}</div>}
        </AriaDialog>
      </Modal>
    </ModalOverlay>
  );
}
