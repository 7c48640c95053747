/** What was done, as sentences behind the name of who did it: of pages that tell of acts. */
import { addTexts } from ".";
import texts from "./did.en.texts.json";

addTexts(texts);
