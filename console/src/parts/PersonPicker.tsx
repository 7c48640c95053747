/** Finds one person by name, address or id. */
import { useQuery } from "@tanstack/react-query";
import { useState } from "react";
import { api, must } from "../api/client";
import { t } from "../i18n";
import "../i18n/people";
import { Face, useLater } from "./basics";
import { Field } from "./Field";
import css from "./picker.module.css";

export interface Picked {
  id: string;
  name: string;
}

interface Props {
  label: string;
  picked: Picked | null;
  onPick: (person: Picked | null) => void;
  error?: string;
  autoFocus?: boolean;
}

/** People offered at once. */
const OFFERED = 6;
const ID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i;

export function PersonPicker({ label, picked, onPick, error, autoFocus }: Props) {
  const [text, setText] = useState("");
  const wanted = useLater(text.trim(), 200);
  const { data } = useQuery({
    queryKey: ["find", "picker", wanted],
    queryFn: async ({ signal }): Promise<Picked[]> => {
      if (ID.test(wanted)) return (await must(api.GET("/api/v1/find", { params: { query: { q: wanted } }, signal }))).items.filter((item) => item.kind === "user").map(({ id, label }) => ({ id, name: label }));
      return (await must(api.GET("/api/v1/users", { params: { query: { q: wanted, limit: OFFERED } }, signal }))).items;
    },
    enabled: picked === null && wanted.length >= 2,
    staleTime: 0,
    gcTime: 30_000,
  });
  if (picked) {
    return (
      <div className={css.field}>
        <span className={css.label}>{label}</span>
        <span className={css.picked}>
          <Face name={picked.name} id={picked.id} />
          <span>{picked.name}</span>
          <button type="button" onClick={() => onPick(null)}>{t("picker.other")}</button>
        </span>
        {error && <span className={css.error}>{error}</span>}
      </div>
    );
  }
  return (
    <div className={css.field}>
      <Field label={label} value={text} onValue={setText} placeholder={t("picker.placeholder")} error={error} autoFocus={autoFocus} />
      {data && wanted === text.trim() && (
        <ul className={css.found} aria-label={t("picker.found")}>
          {data.map((person) => (
            <li key={person.id}>
              <button type="button" onClick={() => onPick({ id: person.id, name: person.name })}>
                <Face name={person.name} id={person.id} />
                <span>{person.name}</span>
              </button>
            </li>
          ))}
          {data.length === 0 && <li className={css.nobody}>{t("picker.nobody")}</li>}
        </ul>
      )}
    </div>
  );
}
