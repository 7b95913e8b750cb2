//go:build tools

// Package tools names what go.mod and go.sum pin, so that "go mod tidy" keeps it.
package tools

import _ "helm.sh/helm/v4/cmd/helm"
