"""Shapes of REST requests and answers about firmware."""
