package site
import ("context";"errors")
var ErrNoHistory = errors.New("no history")
func (r *Repository) Changed(ctx context.Context, a, b string) ([]string, error) { return nil, nil }
