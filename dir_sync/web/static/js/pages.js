// All pages, in the order of the navigation.

import { overview } from "./pages/overview.js";

export const PAGES = [
  { name: "overview", open: overview },
];
