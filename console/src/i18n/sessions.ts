/** The texts of sessions, which come with the pages that show them. */
import { addTexts } from ".";
import texts from "./sessions.en.texts.json";

addTexts(texts);
