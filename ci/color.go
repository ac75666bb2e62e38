package ci

// Colors says whether text may have colour: always, never or, for any other
// choice, where it goes to a terminal that has some, unless the environment
// asks for none (https://no-color.org).
func Colors(choice string, getenv func(string) string, terminal bool) bool {
	switch choice {
	case "always":
		return true
	case "never":
		return false
	default:
		return terminal && getenv("NO_COLOR") == "" && getenv("TERM") != "dumb"
	}
}
