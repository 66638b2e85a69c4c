"""Deviations from the standard: what each one means, and how often charge points have them.

`dictionary` explains every code, and `recorder` counts. The rest answers
`/v1/charge-points/{identity}/deviations` and `/v1/interoperability`.
"""
