package builder

import (
	"context"
	"encoding/json"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/static"
	"github.com/google/go-containerregistry/pkg/v1/types"
)

// Media and predicate types of a provenance statement, from
// https://in-toto.io/Statement/v1 and https://slsa.dev/spec/v1.0/provenance.
const (
	mediaTypeInToto    = "application/vnd.in-toto+json"
	statementType      = "https://in-toto.io/Statement/v1"
	provenanceType     = "https://slsa.dev/provenance/v1"
	annotationPredType = "in-toto.io/predicate-type"
)

// attest attaches a statement of where an image comes from: as much as
// BuildKit says in mode=min, without build arguments, and without times or
// names of machines, so that the same image has the same statement. It is a
// referrer of the image (OCI distribution specification 1.1) and no part of
// it.
func (r *build) attest(ctx context.Context, image *manifest) error {
	subject, err := image.descriptor()
	if err != nil {
		return err
	}
	statement, err := json.Marshal(r.statement(subject.Digest))
	if err != nil {
		return err
	}
	layer := static.NewLayer(statement, mediaTypeInToto)
	attestation, err := mutate.Append(mutate.MediaType(empty.Image, types.OCIManifestSchema1), mutate.Addendum{
		Layer: layer, MediaType: mediaTypeInToto, Annotations: map[string]string{annotationPredType: provenanceType},
	})
	if err != nil {
		return err
	}
	attestation = mutate.ConfigMediaType(attestation, mediaTypeInToto)
	referrer := mutate.Subject(attestation, subject).(v1.Image)
	digest, err := referrer.Digest()
	if err != nil {
		return err
	}
	return r.registry.clients.pusher.Push(ctx, r.registry.name.Digest(digest.String()), referrer)
}

func (r *build) statement(digest v1.Hash) map[string]any {
	type material struct {
		URI    string            `json:"uri"`
		Digest map[string]string `json:"digest"`
	}
	materials := []material{{URI: r.source, Digest: map[string]string{"gitCommit": r.commit.SHA}}}
	if hash, err := v1.NewHash(r.base.digest); err == nil {
		materials = append(materials, material{URI: "docker-image://" + r.base.name, Digest: map[string]string{hash.Algorithm: hash.Hex}})
	}
	return map[string]any{
		"_type":         statementType,
		"subject":       []any{map[string]any{"name": r.site.Image, "digest": map[string]string{digest.Algorithm: digest.Hex}}},
		"predicateType": provenanceType,
		"predicate": map[string]any{
			"buildDefinition": map[string]any{
				"buildType":            "https://github.com/sitectl/sitectl/build/v1",
				"externalParameters":   map[string]any{"inputs": r.inputs},
				"resolvedDependencies": materials,
			},
			"runDetails": map[string]any{"builder": map[string]any{"id": "https://github.com/sitectl/sitectl"}},
		},
	}
}
