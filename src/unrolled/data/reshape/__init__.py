"""Reshape tables: times across their columns to rows, times in several columns to one."""
