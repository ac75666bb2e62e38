package deployer

import (
	"encoding/json"
	"fmt"
	"maps"
	"reflect"
	"slices"
)

// difference lists the fields, by path, in which two JSON values differ.
// Elements of a list are told apart by their name if they have one, as
// containers and volumes do, and else by their place.
func difference(path string, before, after any) []FieldChange {
	if reflect.DeepEqual(before, after) {
		return nil
	}
	old, oldIsMap := fields(before)
	now, nowIsMap := fields(after)
	if !oldIsMap || !nowIsMap {
		return []FieldChange{{Path: path, Before: written(before), After: written(after)}}
	}
	keys := map[string]bool{}
	for key := range old {
		keys[key] = true
	}
	for key := range now {
		keys[key] = true
	}
	var changes []FieldChange
	for _, key := range slices.Sorted(maps.Keys(keys)) {
		changes = append(changes, difference(join(path, key), old[key], now[key])...)
	}
	return changes
}

// fields returns the members of an object or of a list; false for a value
// that has none.
func fields(value any) (map[string]any, bool) {
	switch value := value.(type) {
	case map[string]any:
		return value, true
	case []any:
		return elements(value), true
	default:
		return nil, false
	}
}

// elements keys the elements of a list as "[name]" or "[place]".
func elements(list []any) map[string]any {
	keyed := map[string]any{}
	for i, element := range list {
		key := fmt.Sprintf("[%d]", i)
		if object, ok := element.(map[string]any); ok {
			if name, ok := object["name"].(string); ok && name != "" {
				key = "[" + name + "]"
			}
		}
		keyed[key] = element
	}
	return keyed
}

func join(path, key string) string {
	if path == "" || key[0] == '[' {
		return path + key
	}
	return path + "." + key
}

// written is a value in JSON; nothing for one that is not there.
func written(value any) string {
	if value == nil {
		return ""
	}
	text, err := json.Marshal(value)
	if err != nil {
		return fmt.Sprint(value)
	}
	return string(text)
}
