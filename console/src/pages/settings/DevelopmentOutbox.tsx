/** Mail and SMS that nobody is configured to send. */
import Alert from "@mui/material/Alert";
import Button from "@mui/material/Button";
import { useInfiniteQuery } from "@tanstack/react-query";
import { asProblem } from "../../api/problem";
import { t } from "../../i18n";
import { Card, Pill, Time } from "../../parts/basics";
import parts from "../../parts/parts.module.css";
import { EmptyState, ErrorState, Lines } from "../../parts/states";
import { outboxQuery } from "./queries";
import css from "./settings.module.css";

export default function DevelopmentOutbox() {
  const query = useInfiniteQuery(outboxQuery);
  if (query.error && !query.data) return <ErrorState problem={asProblem(query.error)} retry={() => void query.refetch()} />;
  const first = query.data?.pages[0];
  if (!first) return <Lines count={4} height={44} />;
  const items = query.data?.pages.flatMap((page) => page.items) ?? [];
  const both = first.mail_configured && first.sms_configured;
  return (
    <>
      <Alert severity={both ? "info" : "warning"} icon={false}>
        {both ? t("outbox.configured") : t("outbox.why", { mail: String(!first.mail_configured), sms: String(!first.sms_configured) })}
      </Alert>
      <Card flush title={t("settings.section.outbox")}>
        {items.length === 0 && <EmptyState icon="audit" title={t("outbox.empty.title")} text={t("outbox.empty.text")} />}
        {items.length > 0 && (
          <ul className={css.messages} data-testid="outbox">
            {items.map((item) => (
              <li key={item.id}>
                <header>
                  <Pill tone="idle">{item.kind === "sms" ? t("outbox.sms") : t("outbox.mail")}</Pill>
                  <b>{item.to ?? t("outbox.hidden")}</b>
                  <Time at={item.at} />
                </header>
                {item.subject && <p className={parts.small}>{item.subject}</p>}
                {item.text && <pre className={css.text}><Linked text={item.text} /></pre>}
              </li>
            ))}
          </ul>
        )}
      </Card>
      {query.hasNextPage && <Button variant="text" onClick={() => void query.fetchNextPage()} loading={query.isFetchingNextPage}>{t("list.more")}</Button>}
    </>
  );
}

/** Links that lead into this hub can be followed; any other stays words. */
function Linked({ text }: { text: string }) {
  return text.split(/(\S+)/).map((part, index) => (part.startsWith(`${location.origin}/`) ? <a key={index} href={part}>{part}</a> : part));
}
