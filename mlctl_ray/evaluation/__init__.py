"""Scoring of NLI by label likelihood, retrieval, tokenizer coverage and the pair matrix."""
