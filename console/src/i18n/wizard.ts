/** The texts of the way to a new import. */
import { addTexts } from ".";
import texts from "./wizard.en.texts.json";

addTexts(texts);
