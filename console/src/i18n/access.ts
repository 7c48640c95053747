/** The texts of the pages about API keys and addresses, which come with them. */
import { addTexts } from ".";
import texts from "./access.en.texts.json";

addTexts(texts);
