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
        var extraction = new Option<AnswerPlace>("--extraction") { Description = "Where the answer may stand: any, marked (a box, ####, <answer>) or boxed." };
        var units = new Option<UnitRule>("--units") { Description = "compatible: a unit may be left out, another one is wrong; ignore; required." };
        var percent = new Option<PercentRule>("--percent") { Description = "What 50% is: number (50), fraction (1/2) or either." };
        var tolerance = new Option<double>("--tolerance") { Description = "Numbers this close, as a part of the gold one, are the same; 0 wants them exact." };
        var command = new Command("verify", "Says whether an answer equals the gold one: JSON Lines in, JSON Lines out.")
        {
            gold, answer, file, extraction, units, percent, tolerance,
        };
        command.SetAction(parsed => Guard.Run(() =>
        {
            var options = new MathOptions
            {
                Extraction = parsed.GetValue(extraction),
                Units = parsed.GetValue(units),
                Percent = parsed.GetValue(percent),
                Tolerance = parsed.GetValue(tolerance),
            };
            if (options.Tolerance is not (>= 0 and <= 0.1))
                throw new BadInputException($"verify: --tolerance is a part of the gold answer from 0 to 0.1, found {options.Tolerance}.");
            Run(parsed.GetValue(gold), parsed.GetValue(answer), parsed.GetValue(file), options);
        }));
        return command;
    }

    private static void Run(string? gold, string? answer, string? file, MathOptions options)
    {
        if (file is null)
        {
            if (gold is null || answer is null)
                throw new BadInputException("verify: give --gold and --answer, or --file with JSON Lines.");
            Console.WriteLine(MathVerifier.VerifyLine(JsonSerializer.Serialize(new { gold, answer }), options));
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
                Console.WriteLine(MathVerifier.VerifyLine(line, options));
            }
            catch (BadInputException fault)
            {
                throw new BadInputException($"{file}:{number}: {fault.Message}", fault);
            }
        }
    }
}
