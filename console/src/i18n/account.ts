/** The texts of "My account", which come with it. */
import { addTexts } from ".";
import texts from "./account.en.texts.json";

addTexts(texts);
