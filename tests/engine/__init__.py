"""Each machine of the engine alone (`kit`: a real board, recorders for the machines below it); `whole`: one engine by hand;
`pairs`: two nodes on memory disks."""
