/** The texts of acts on many, saved views, acting as somebody, and of handing out and erasing what is held on a person. */
import { addTexts } from ".";
import texts from "./custody.en.texts.json";

addTexts(texts);
