def chinese(text: str) -> str:
    return text
