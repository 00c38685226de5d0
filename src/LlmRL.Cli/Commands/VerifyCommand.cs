using System.CommandLine;
using System.Text.Json;
using LlmRL.Rewards;

namespace LlmRL.Cli.Commands;

/// <summary><c>llmrl verify</c>: the math verifier by itself.</summary>
internal static class VerifyCommand
{
    public static Command Create()
    {
        var gold = new Option<string?>("--gold") { Description = "The right answer." };
        var answer = new Option<string?>("--answer") { Description = "The answer to judge: a whole completion or its final answer." };
        var file = new Option<string?>("--file") { Description = "JSON Lines, each with gold and answer (or pred); one verdict a line comes out." };
        var command = new Command("verify", "Says whether an answer equals the gold one: JSON Lines in, JSON Lines out.") { gold, answer, file };
        command.SetAction(parsed => Guard.Run(() => Run(parsed.GetValue(gold), parsed.GetValue(answer), parsed.GetValue(file))));
        return command;
    }

    private static void Run(string? gold, string? answer, string? file)
    {
        if (file is null)
        {
            if (gold is null || answer is null)
                throw new BadInputException("verify: give --gold and --answer, or --file with JSON Lines.");
            Console.WriteLine(MathVerifier.VerifyLine(JsonSerializer.Serialize(new { gold, answer })));
            return;
        }

        if (!File.Exists(file))
            throw new BadInputException($"{file}: no such file.");
        var number = 0;
        foreach (var line in File.ReadLines(file))
        {
            number++;
            try
            {
                Console.WriteLine(MathVerifier.VerifyLine(line));
            }
            catch (BadInputException fault)
            {
                throw new BadInputException($"{file}:{number}: {fault.Message}", fault);
            }
        }
    }
}
