// All pages, in the order of the navigation. `ofFolder`: about one folder; `mark`: how much there waits for a person.

import { activity } from "./pages/activity.js";
import { conflicts } from "./pages/conflicts.js";
import { doctor } from "./pages/doctor.js";
import { file } from "./pages/file.js";
import { files } from "./pages/files.js";
import { held, heldCount } from "./pages/held.js";
import { history } from "./pages/history.js";
import { ignore } from "./pages/ignore.js";
import { members } from "./pages/members.js";
import { overview } from "./pages/overview.js";
import { settings } from "./pages/settings.js";
import { transfers } from "./pages/transfers.js";

export const PAGES = [
  { name: "overview", open: overview },
  { name: "activity", open: activity },
  { name: "transfers", open: transfers },
  { name: "files", open: files, ofFolder: true },
  { name: "file", open: file, ofFolder: true, isHidden: true, below: "files" },
  { name: "history", open: history, ofFolder: true },
  { name: "conflicts", open: conflicts, ofFolder: true, mark: (state, folder) => folder?.status?.conflicts ?? 0 },
  { name: "held", open: held, ofFolder: true, mark: (state, folder) => heldCount(folder?.status) },
  { name: "ignore", open: ignore, ofFolder: true },
  { name: "members", open: members, ofFolder: true },
  { name: "settings", open: settings },
  { name: "doctor", open: doctor, ofFolder: true },
];
