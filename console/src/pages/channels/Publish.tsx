/** A test message to a channel of the application. It goes to everybody who follows the channel, and into the audit log. */
import Button from "@mui/material/Button";
import { useState } from "react";
import { asProblem, type Problem } from "../../api/problem";
import { t } from "../../i18n";
import { Field } from "../../parts/Field";
import { ErrorLine } from "../../parts/states";
import { toast } from "../../parts/toast";
import css from "./channels.module.css";
import { publish } from "./queries";

const EXAMPLE = '{"text": "Hello"}';

function parsed(text: string): { data: unknown } | null {
  try {
    return { data: JSON.parse(text) as unknown };
  } catch {
    return null;
  }
}

export function Publish({ channel }: { channel: string }) {
  const [text, setText] = useState(EXAMPLE);
  const [busy, setBusy] = useState(false);
  const [problem, setProblem] = useState<Problem | null>(null);
  const message = parsed(text);
  const submit = async (event: React.FormEvent) => {
    event.preventDefault();
    if (!message) return;
    setBusy(true);
    setProblem(null);
    try {
      await publish(channel, message.data);
      toast(t("publish.done", { channel }));
    } catch (error) {
      setProblem(asProblem(error));
    } finally {
      setBusy(false);
    }
  };
  return (
    <form className={css.part} onSubmit={submit}>
      <h3>{t("publish.title")}</h3>
      <Field label={t("publish.data")} value={text} onValue={setText} multiline minRows={3} mono error={message ? undefined : t("publish.notJson")} note={t("publish.note")} />
      <ErrorLine problem={problem} />
      <div>
        <Button type="submit" variant="outlined" loading={busy} disabled={!message}>{t("publish.action")}</Button>
      </div>
    </form>
  );
}
