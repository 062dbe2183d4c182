// monsters
