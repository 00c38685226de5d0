namespace LlmRL.Data;

/// <summary>
/// Which column of a file is what. A value is a column's name, a path into nested JSON (<c>reward_model.ground_truth</c>, <c>prompt[0].content</c>),
/// a path with another column as index (<c>summaries[choice].text</c>, <c>summaries[1-choice].text</c>), or a text with columns in braces
/// (<c>{Body} {Question}</c>). Prompts, completions, chosen and rejected may be texts or lists of messages with roles. What is null is looked for under the usual names.
/// </summary>
public sealed record ColumnMap
{
    /// <summary>
    /// Usual names: prompt, question, query, problem, instruction (with input, where both are there), input, post, context, document, article, dialogue; body before
    /// question, where both are there; conversations beside a pair; else what a pair shares.
    /// </summary>
    public string? Prompt { get; init; }

    /// <summary>
    /// Usual names: completion, response, solution, output, summary, highlights, target, ref_text, text, label (where it is a text); messages, conversations; else answer.
    /// </summary>
    public string? Completion { get; init; }

    /// <summary>Usual name: chosen.</summary>
    public string? Chosen { get; init; }

    /// <summary>Usual name: rejected.</summary>
    public string? Rejected { get; init; }

    /// <summary>Usual names: gold, gold_answer, ground_truth, reward_model.ground_truth, final_answer; answer, beside a solution.</summary>
    public string? Answer { get; init; }

    /// <summary>Usual name: label, where it is true or false beside a completion; 1 and 0 will do where it is named. Whether the completion is a good one.</summary>
    public string? Label { get; init; }

    /// <summary>Usual name: system. A text that comes first in conversations.</summary>
    public string? System { get; init; }

    /// <summary>Usual name: margin. A number.</summary>
    public string? Margin { get; init; }

    /// <summary>Usual names: difficulty, level. A number, or a text that contains one.</summary>
    public string? Difficulty { get; init; }

    /// <summary>Of a prompt with braces: the column that is shortened where the prompt is too long (<c>max_prompt_length</c> with <c>truncation_mode: newline</c>).</summary>
    public string? Shorten { get; init; }
}
