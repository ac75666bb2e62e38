package main

import (
	"cmp"
	"fmt"

	"github.com/sitectl/sitectl/deployer"
)

// rolloutView is the pods of a Deployment, a lane each, on one scale.
type rolloutView struct {
	Heading string // "web, in step roll"
	Summary string // "2 of 2 new pods available after 12.3 s"
	Axis    axis
	Lanes   []laneView
	LeftOut int // pods
	States  []deployer.PodState
}

type laneView struct {
	Name     string
	Release  string // new or old
	Node     string
	Restarts string // empty for none
	Gone     bool
	States   []stateView
	Words    []stateView // of those states that there is room for
	LeftOut  int         // states before them
}

type stateView struct {
	Bar   *bar
	State deployer.PodState
	Text  string // "failing (CrashLoopBackOff) 3.1 s"
	Title string // "failing (CrashLoopBackOff), from 1.2 s to 4.3 s"
}

var podStates = []deployer.PodState{
	deployer.PodPending, deployer.PodStarting, deployer.PodReady, deployer.PodFailing, deployer.PodEnding,
}

func rolloutsOf(rollouts []*recordedRollout) []rolloutView {
	var views []rolloutView
	for _, rollout := range rollouts {
		scale := scale{rollout.began, rollout.ended}
		view := rolloutView{
			Heading: rollout.deployment + ", in step " + cmp.Or(rollout.step, "none"),
			Summary: fmt.Sprintf("%d of %d new pods available after %s", rollout.available, rollout.replicas, took(rollout.ended.Sub(rollout.began))),
			Axis:    scale.axis(), LeftOut: rollout.leftOut, States: podStates,
		}
		for _, pod := range rollout.pods {
			view.Lanes = append(view.Lanes, laneOf(*pod, scale))
		}
		views = append(views, view)
	}
	return views
}

func laneOf(pod recordedPod, scale scale) laneView {
	lane := laneView{Name: pod.Name, Release: "old", Node: pod.Node, Gone: pod.gone}
	if pod.New {
		lane.Release = "new"
	}
	if pod.Restarts > 0 {
		lane.Restarts = count(int64(pod.Restarts), "restart")
	}
	for _, state := range pod.states {
		lane.States = append(lane.States, stateOf(state, scale))
	}
	const room = 8
	shown := max(0, len(lane.States)-room)
	lane.Words, lane.LeftOut = lane.States[shown:], pod.leftOut+shown
	return lane
}

func stateOf(s recordedState, scale scale) stateView {
	text := string(s.state)
	if s.reason != "" {
		text += " (" + s.reason + ")"
	}
	bar := scale.bar(s.from, s.to)
	return stateView{Bar: bar, State: s.state, Text: text + " " + took(s.to.Sub(s.from)), Title: text + ", " + bar.Label}
}
