/** The texts of imports, which come with their pages. */
import { addTexts } from ".";
import texts from "./imports.en.texts.json";

addTexts(texts);
