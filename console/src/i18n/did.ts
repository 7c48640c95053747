/** What was done, as sentences behind the name of who did it, and the audit log that tells of it. */
import { addTexts } from ".";
import texts from "./did.en.texts.json";

addTexts(texts);
