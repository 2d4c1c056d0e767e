package main

import "testing"

func TestItems(t *testing.T) {
	if items() == "" {
		t.Fatal("the shop is empty")
	}
}
