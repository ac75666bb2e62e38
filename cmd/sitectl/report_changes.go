package main

import (
	"slices"
	"strings"

	"github.com/sitectl/sitectl/deployer"
)

// changesView is what the ship was to change, as sitectl plan tells it.
type changesView struct {
	Summary string
	Changes []changeView
	LeftOut int
}

type changeView struct {
	Sign    string
	Word    string // created, changed or deleted
	Class   string
	Object  string // "Deployment web"
	Restart string // whose pods are replaced, and why
	Notes   []string
	Fields  []fieldView
	LeftOut int // fields
	Lines   int // of all fields
}

type fieldView struct {
	Path    string
	Skipped int // lines that are the same, before the first
	Lines   []diffLine
	LeftOut int
}

// diffLine is a line that goes or comes.
type diffLine struct {
	Gone bool
	Text string
}

// What a report shows of changes at most.
const (
	shownChanges = 300
	shownFields  = 60  // of an object
	shownLines   = 120 // of a field
)

var changeWords = map[deployer.Action]changeView{
	deployer.ActionCreate: {Sign: "+", Word: "created", Class: "good"},
	deployer.ActionChange: {Sign: "~", Word: "changed", Class: "stopped"},
	deployer.ActionDelete: {Sign: "−", Word: "deleted", Class: "bad"},
}

func changesOf(plan *planResult) *changesView {
	if plan == nil {
		return nil
	}
	view := &changesView{Summary: sentence(planSummary(*plan))}
	for _, change := range plan.Changes {
		switch {
		case change.Action == deployer.ActionNone:
		case len(view.Changes) == shownChanges:
			view.LeftOut++
		default:
			view.Changes = append(view.Changes, changeViewOf(change))
		}
	}
	return view
}

func changeViewOf(change deployer.Change) changeView {
	view := changeWords[change.Action]
	view.Object = change.Kind + " " + change.Name
	if change.Restart != nil {
		view.Restart = "replaces " + count(change.Restart.Pods, "pod") + ": " + strings.Join(change.Restart.Because, ", ")
	}
	for _, field := range change.TakenOver {
		view.Notes = append(view.Notes, "taken over: "+field)
	}
	for i, field := range change.Fields {
		if i == shownFields {
			view.LeftOut = len(change.Fields) - i
			break
		}
		view.Fields = append(view.Fields, fieldOf(field))
		view.Lines += len(view.Fields[i].Lines)
	}
	return view
}

func fieldOf(field deployer.FieldChange) fieldView {
	before, after := valueLines(field.Before), valueLines(field.After)
	view := fieldView{Path: field.Path}
	view.Skipped, before, after = trimmed(before, after)
	for _, text := range before {
		view.Lines = append(view.Lines, diffLine{Gone: true, Text: text})
	}
	for _, text := range after {
		view.Lines = append(view.Lines, diffLine{Text: text})
	}
	if len(view.Lines) > shownLines {
		view.LeftOut = len(view.Lines) - shownLines
		view.Lines = slices.Clip(view.Lines[:shownLines])
	}
	return view
}
