/** A file becomes people in three steps: choose it, say what its columns mean, check it and import. */
import Button from "@mui/material/Button";
import { useQuery } from "@tanstack/react-query";
import { useNavigate, useSearch } from "@tanstack/react-router";
import { useRef, useState } from "react";
import { asProblem, type Problem } from "../../api/problem";
import { PageFrame } from "../../app/shell/PageFrame";
import { holdUpdate } from "../../app/update";
import { useMay } from "../../auth/session";
import { bytes, t, tOr } from "../../i18n";
import "../../i18n/imports";
import { Card } from "../../parts/basics";
import { Choice } from "../../parts/Field";
import { Icon } from "../../parts/Icon";
import parts from "../../parts/parts.module.css";
import { EmptyState, ErrorLine, ErrorState, Lines } from "../../parts/states";
import { isActive } from "../jobs/queries";
import { ImportProgress, useImport } from "./ImportProgress";
import { type Mapping, previewQuery, start, upload } from "./queries";
import css from "./imports.module.css";

export default function Wizard() {
  const { file, check } = useSearch({ from: "/shell/imports/new" });
  const may = useMay("users:import");
  const step = check ? 2 : file ? 1 : 0;
  if (!may) return <PageFrame title={t("wizard.title")} name={t("wizard.title")}><EmptyState icon="ban" title={t("error.forbidden.title")} text={t("error.forbidden.text")} /></PageFrame>;
  return (
    <PageFrame title={t("wizard.title")} name={t("wizard.title")}>
      <ol className={css.steps}>
        {(["wizard.step1", "wizard.step2", "wizard.step3"] as const).map((name, index) => (
          <li key={name} aria-current={index === step ? "step" : undefined} className={index < step ? css.past : undefined}>
            <b>{index < step ? <Icon name="check" small /> : index + 1}</b>
            <span>{t(name)}</span>
          </li>
        ))}
      </ol>
      <Card flush>
        <div className={css.body}>{check ? <Check id={check} /> : file ? <Columns id={file} /> : <ChooseFile />}</div>
      </Card>
    </PageFrame>
  );
}

function ChooseFile() {
  const navigate = useNavigate({ from: "/imports/new" });
  const input = useRef<HTMLInputElement>(null);
  const [file, setFile] = useState<File | null>(null);
  const [over, setOver] = useState(false);
  const [problem, setProblem] = useState<Problem | null>(null);
  const [busy, setBusy] = useState(false);
  const send = async (chosen: File | undefined) => {
    if (!chosen) return;
    setFile(chosen);
    setProblem(null);
    setBusy(true);
    const release = holdUpdate();
    try {
      const id = await upload(chosen);
      await navigate({ search: { file: id } });
    } catch (error) {
      setProblem(asProblem(error));
    } finally {
      release();
      setBusy(false);
    }
  };
  return (
    <>
      <div
        className={`${css.drop} ${over ? css.over : ""}`}
        onDragOver={(event) => {
          event.preventDefault();
          setOver(true);
        }}
        onDragLeave={() => setOver(false)}
        onDrop={(event) => {
          event.preventDefault();
          setOver(false);
          void send(event.dataTransfer.files[0]);
        }}
      >
        <b>{file ? `${file.name} · ${bytes(file.size)}` : t("wizard.drop")}</b>
        <p>{t("wizard.formats")}</p>
        <input ref={input} type="file" accept=".csv,.tsv,.txt,text/csv" hidden aria-label={t("wizard.choose")} onChange={(event) => void send(event.target.files?.[0])} />
        <Button variant="contained" loading={busy} onClick={() => input.current?.click()} startIcon={<Icon name="upload" small />}>
          {t("wizard.choose")}
        </Button>
      </div>
      <ErrorLine problem={problem} />
    </>
  );
}

function Columns({ id }: { id: string }) {
  const navigate = useNavigate({ from: "/imports/new" });
  const query = useQuery(previewQuery(id));
  const [chosen, setChosen] = useState<Mapping | null>(null);
  const [problem, setProblem] = useState<Problem | null>(null);
  const [busy, setBusy] = useState<"dry_run" | "commit" | null>(null);
  if (query.error) return <ErrorState problem={asProblem(query.error)} retry={() => void query.refetch()} />;
  const preview = query.data;
  if (!preview) return <Lines count={8} height={32} />;
  const mapping = chosen ?? (preview.mapping as Mapping);
  const missing = preview.fields.filter((field) => field.required && !mapping[field.name]);
  const go = async (mode: "dry_run" | "commit") => {
    setBusy(mode);
    setProblem(null);
    try {
      const next = await start(id, mode, mapping);
      if (mode === "commit") await navigate({ to: "/imports/$id", params: { id: next } });
      else await navigate({ search: { file: id, check: next } });
    } catch (error) {
      setProblem(asProblem(error));
      setBusy(null);
    }
  };
  const set = (field: string) => (column: string) => {
    const { [field]: _, ...rest } = mapping;
    setChosen(column ? { ...rest, [field]: column } : rest);
  };
  return (
    <>
      <section className={parts.stack}>
        <h2>{t("wizard.columns")}</h2>
        <p className={parts.muted}>{t("wizard.columnsText")}</p>
        <div className={css.mapping}>
          {preview.fields.map((field) => (
            <Choice
              key={field.name}
              label={field.required ? t("wizard.required", { name: named(field) }) : named(field)}
              value={mapping[field.name] ?? ""}
              onValue={set(field.name)}
              error={field.required && !mapping[field.name] ? t("wizard.needsColumn") : undefined}
              options={[{ value: "", label: t("wizard.skip") }, ...preview.columns.map((column) => ({ value: column, label: column }))]}
            />
          ))}
        </div>
      </section>
      <section className={parts.stack}>
        <h2>{t("wizard.preview", { n: preview.rows.length })}</h2>
        <div className={css.preview} tabIndex={0} role="region" aria-label={t("wizard.preview", { n: preview.rows.length })}>
          <table>
            <thead>
              <tr>{preview.columns.map((column) => <th key={column} scope="col">{column}</th>)}</tr>
            </thead>
            <tbody>
              {preview.rows.map((row, index) => (
                <tr key={index}>{row.map((cell, column) => <td key={column}>{cell}</td>)}</tr>
              ))}
            </tbody>
          </table>
        </div>
      </section>
      <ErrorLine problem={problem} />
      <div className={parts.row}>
        <Button variant="contained" onClick={() => void go("dry_run")} loading={busy === "dry_run"} disabled={missing.length > 0 || busy !== null}>{t("wizard.check")}</Button>
        <Button variant="outlined" onClick={() => void go("commit")} loading={busy === "commit"} disabled={missing.length > 0 || busy !== null}>{t("wizard.commitNow")}</Button>
        <Button variant="text" onClick={() => void navigate({ search: {} })}>{t("wizard.other")}</Button>
      </div>
    </>
  );
}

const named = ({ name, label }: { name: string; label: string }) => tOr(`field.${name}`, label);

function Check({ id }: { id: string }) {
  const navigate = useNavigate({ from: "/imports/new" });
  const { query, job } = useImport(id);
  const [problem, setProblem] = useState<Problem | null>(null);
  const [busy, setBusy] = useState(false);
  const state = job?.state ?? query.data?.state ?? "waiting";
  const commit = async () => {
    setBusy(true);
    setProblem(null);
    try {
      await navigate({ to: "/imports/$id", params: { id: await start(id, "commit") } });
    } catch (error) {
      setProblem(asProblem(error));
      setBusy(false);
    }
  };
  return (
    <>
      <h2>{isActive(state) ? t("wizard.checking") : t("wizard.checked")}</h2>
      <ImportProgress id={id} />
      <p className={parts.muted}>{t("wizard.dryText")}</p>
      <ErrorLine problem={problem} />
      <div className={parts.row}>
        <Button variant="contained" onClick={() => void commit()} loading={busy} disabled={state !== "succeeded"}>{t("wizard.commit")}</Button>
        <Button variant="text" onClick={() => void navigate({ search: ({ check: _, ...before }) => before })}>{t("wizard.back")}</Button>
      </div>
    </>
  );
}
