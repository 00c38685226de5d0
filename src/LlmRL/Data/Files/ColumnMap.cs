namespace LlmRL.Data;

/// <summary>
/// Which column of a file is what. A value is a column's name, a path into nested JSON (<c>reward_model.ground_truth</c>, <c>prompt[0].content</c>),
/// or a text with columns in braces (<c>{Body} {Question}</c>). What is null is looked for under the usual names.
/// </summary>
public sealed record ColumnMap
{
    /// <summary>Usual names: prompt, question, query, problem, instruction, input, post, context; else what a pair shares.</summary>
    public string? Prompt { get; init; }

    /// <summary>Usual names: completion, response, solution, output, summary, target, label, ref_text, text; else answer.</summary>
    public string? Completion { get; init; }

    /// <summary>Usual name: chosen.</summary>
    public string? Chosen { get; init; }

    /// <summary>Usual name: rejected.</summary>
    public string? Rejected { get; init; }

    /// <summary>Usual names: gold, gold_answer, ground_truth, reward_model.ground_truth, final_answer; answer, beside a solution.</summary>
    public string? Answer { get; init; }

    /// <summary>Usual name: margin. A number.</summary>
    public string? Margin { get; init; }

    /// <summary>Usual names: difficulty, level. A number, or a text that contains one.</summary>
    public string? Difficulty { get; init; }
}
